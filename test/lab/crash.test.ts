import { crashSample } from './crash.ts';

crashSample();
