import { crashMatrix } from './crash.ts';

// Of the matrix that crash.all.test.ts goes through: lvsctl killed early, the link cut midway, the power cut late.
crashMatrix(3);
