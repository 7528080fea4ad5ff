// Builds the prebuilt extension: one script, the settings schema, and the package.json that `jupyter labextension list` reads.
//
// Usage: node build.js FOLDER. The script contains no module of JupyterLab; `src/shared.ts` takes them from the page.
// Must not write outside the folder. Cost: a fraction of a second.

import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { NAMES } from './src/shared.ts';

const here = import.meta.dirname;
const folder = process.argv[2];
if (!folder) throw new Error('usage: node build.js FOLDER');

const sharedModules = {
  name: 'shared modules',
  setup(build) {
    build.onResolve({ filter: /^@(jupyterlab|lumino)\// }, ({ path, importer }) => {
      if (!NAMES.includes(path)) throw new Error(`${importer}: ${path} is not in NAMES of src/shared.ts`);
      return { path, namespace: 'shared' };
    });
    build.onLoad({ filter: /.*/, namespace: 'shared' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(join(here, 'src/shared.ts'))}).take(${JSON.stringify(path)});`,
      resolveDir: here
    }));
  }
};

const { outputFiles } = await build({
  absWorkingDir: here,
  bundle: true,
  entryPoints: ['src/container.ts'],
  format: 'iife',
  legalComments: 'inline',
  minify: true,
  plugins: [sharedModules],
  target: 'es2022',
  write: false
});
const script = outputFiles[0].contents;
const name = `remoteEntry.${createHash('sha256').update(script).digest('hex').slice(0, 20)}.js`;
const own = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
const described = {
  name: own.name,
  version: own.version,
  description: own.description,
  license: own.license,
  // JupyterLab compares this with its own version, and does not load the extension if they do not fit
  dependencies: { '@jupyterlab/notebook': '^4.0.0' },
  jupyterlab: { extension: true, schemaDir: 'schema', _build: { load: `static/${name}`, extension: './extension' } }
};
const installed = {
  packageManager: 'python',
  packageName: 'kernelws',
  uninstallInstructions: 'Use your Python package manager (pip, conda, etc.) to uninstall the package kernelws'
};
const schemas = join(folder, 'schemas', own.name);
rmSync(folder, { recursive: true, force: true });
mkdirSync(join(folder, 'static'), { recursive: true });
mkdirSync(schemas, { recursive: true });
writeFileSync(join(folder, 'static', name), script);
copyFileSync(join(here, 'schema', 'plugin.json'), join(schemas, 'plugin.json'));
// With the schema of a plugin JupyterLab expects the package.json of its sources
copyFileSync(join(here, 'package.json'), join(schemas, 'package.json.orig'));
writeFileSync(join(folder, 'install.json'), JSON.stringify(installed, null, 2) + '\n');
// Written last: for make this file means that the build is complete
writeFileSync(join(folder, 'package.json'), JSON.stringify(described, null, 2) + '\n');
