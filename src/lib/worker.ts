// Where the entry of a worker thread lies. Node 20 cannot run TypeScript, so a caller that runs from
// the sources (vitest) starts the compiled entry of dist/, which the tests bring up to date first.

/** The compiled entry `name`.js of src/: beside this folder, or in dist/ for a caller from the sources. */
export function workerUrl(name: string): URL {
  const isSource = import.meta.url.endsWith('.ts')
  return new URL(isSource ? `../../dist/src/${name}.js` : `../${name}.js`, import.meta.url)
}
