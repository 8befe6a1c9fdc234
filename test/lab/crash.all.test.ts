import { crashMatrix } from './crash.ts';

// `LVSCTL_CELLS=all` runs each step with each fault.
const cells = process.env.LVSCTL_CELLS ?? '12';
crashMatrix(cells === 'all' ? Number.POSITIVE_INFINITY : Number(cells));
