import { cellsOf, crashMatrix } from './crash.ts';

// `LVSCTL_CELLS=12` runs twelve cells, evenly spread; `LVSCTL_CELLS=79-156` those with these numbers.
crashMatrix(cellsOf(process.env.LVSCTL_CELLS ?? 'all'));
