/** What may import what: the rooms of ARCHITECTURE.md. Arrows point one way. */
const rooms = {
  errors: [],
  inventory: ['errors'],
  platform: ['errors', 'inventory'],
  templates: ['errors'],
  resources: ['errors', 'inventory', 'platform'],
  roles: ['errors', 'inventory', 'platform', 'resources', 'templates'],
  plan: ['errors', 'inventory', 'platform', 'resources'],
  transport: ['errors', 'inventory'],
  host: ['errors', 'inventory', 'platform', 'resources', 'transport'],
  survey: ['errors', 'inventory', 'platform', 'resources', 'roles', 'plan', 'transport', 'host'],
  apply: ['errors', 'inventory', 'platform', 'resources', 'plan', 'transport', 'host'],
  verify: ['errors', 'inventory', 'platform', 'resources', 'plan', 'transport'],
  lab: ['errors', 'inventory', 'transport'],
  report: ['errors', 'inventory', 'platform', 'resources', 'plan', 'apply'],
};

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    ...Object.entries(rooms).map(([room, may]) => ({
      name: `room-${room}`,
      severity: 'error',
      comment: `src/${room} may import: ${may.join(', ') || 'nothing of ours'}`,
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...may].join('|')})/` },
    })),
    {
      name: 'node-ssh-in-one-place',
      severity: 'error',
      comment: 'node-ssh is wrapped in one module',
      from: { path: '^src/', pathNot: '^src/transport/node-ssh' },
      to: { path: 'node_modules/node-ssh' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node'], extensions: ['.ts', '.js', '.mjs'] },
  },
};
