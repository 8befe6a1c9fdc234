import packageJson from '../../package.json' with { type: 'json' };

/** lvsctl's own version, from package.json (inlined by the build). */
export const VERSION: string = packageJson.version;
