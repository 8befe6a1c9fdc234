/** Tags a piece of POSIX sh: taken as it stands, but for `\${`, which is how `${` is written inside a template literal. */
export function sh(strings: TemplateStringsArray): string {
  return strings.raw.join('').replaceAll('\\${', '${');
}
