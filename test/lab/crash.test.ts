import { crashMatrix } from './crash.ts';

// Two cells of the matrix that crash.all.test.ts goes through.
crashMatrix(2);
