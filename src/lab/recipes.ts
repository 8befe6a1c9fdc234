import type { Platform } from '../inventory/model.ts';
import { DEBIAN, type Recipe } from './recipe.ts';

/** The image of each family. */
export const RECIPES: Record<Platform, Recipe> = { debian: DEBIAN, rhel: DEBIAN };
