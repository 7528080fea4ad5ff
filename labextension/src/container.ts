// The container that JupyterLab loads, in the form of webpack's module federation: `init` takes the share scope, `get`
// returns the plugins.
//
// Must not import the plugins before JupyterLab's modules are loaded: their imports are evaluated once. Cost: one script a page.

import { load, type ShareScope } from './shared.ts';

interface Container {
  init: (scope: ShareScope) => void;
  get: (module: string) => Promise<() => unknown>;
}

declare global {
  interface Window {
    _JUPYTERLAB?: Record<string, Container>;
  }
}

let scope: ShareScope = {};

const containers = (window._JUPYTERLAB ??= {});
containers['kernelws'] = {
  init(given) {
    scope = given;
  },
  async get(module) {
    if (module !== './extension') throw new Error(`kernelws has no module ${module}`);
    await load(scope);
    const { default: plugin } = await import('./index.ts');
    // JupyterLab looks for this mark of webpack
    return () => ({ __esModule: true, default: plugin });
  }
};
