import { cellsOf, crashMatrix } from './crash.ts';

// `LVSCTL_CELLS=12` runs twelve cells, evenly spread; `LVSCTL_CELLS=2/6` the second of six parts.
crashMatrix(cellsOf(process.env.LVSCTL_CELLS ?? 'all'));
