// Gives this extension the modules of JupyterLab that it imports.
//
// JupyterLab offers its own modules in a share scope, as webpack's module federation defines it: name -> version -> {get}. This
// bundle contains none of them, so it fits each version that has the functions it calls. Must not import a module itself.
// Cost: one look-up a module when the page starts.

/** A version of a module in the share scope. */
interface Offer {
  get: () => Promise<() => unknown>;
  loaded?: boolean | number;
}

export type ShareScope = Record<string, Record<string, Offer> | undefined>;

/** The modules that `build.js` leaves out of the bundle. Each is imported at runtime, not only for its types. */
export const NAMES = [
  '@jupyterlab/apputils',
  '@jupyterlab/coreutils',
  '@jupyterlab/notebook',
  '@jupyterlab/services',
  '@jupyterlab/settingregistry',
  '@jupyterlab/statusbar',
  '@lumino/widgets'
] as const;

const modules = new Map<string, unknown>();

/** Loads all modules; must be called before `take`. A module that a page does not have is left out: Notebook 7 has no status bar. */
export async function load(scope: ShareScope): Promise<void> {
  for (const name of NAMES) {
    const offer = best(scope[name] ?? {});
    if (offer) modules.set(name, (await offer.get())());
  }
}

/** A module that was loaded, or an empty object. */
export function take(name: string): unknown {
  return modules.get(name) ?? {};
}

/** The version that the page uses already, otherwise the newest one. */
export function best(offers: Record<string, Offer>): Offer | undefined {
  const versions = Object.keys(offers).sort((one, other) => one.localeCompare(other, 'en', { numeric: true }));
  const chosen = versions.filter(version => offers[version]?.loaded).at(-1) ?? versions.at(-1);
  return chosen === undefined ? undefined : offers[chosen];
}
