import type { Platform } from '../inventory/model.ts';
import { DEBIAN, type Recipe } from './recipe.ts';
import { RHEL } from './rhel.ts';

/** The image of each family. */
export const RECIPES: Record<Platform, Recipe> = { debian: DEBIAN, rhel: RHEL };
