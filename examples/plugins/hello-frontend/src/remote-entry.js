/** A Module Federation container: the portal calls `init` with the packages it shares, then `get` for an exposed module. */
import { useShareScope } from './share-scope.js';

const EXPOSED = { '.': () => import('./root.js') };

export function init(shareScope) {
  useShareScope(shareScope);
}

export async function get(name) {
  const load = EXPOSED[name];
  if (load === undefined) throw new Error(`plugin-hello exposes no module ${name}`);
  const module = await load();
  return () => module;
}
