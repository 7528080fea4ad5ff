// The settings of the extension, as the settings editor has them. Until `load` has ended they have their defaults, so callers
// must wait for it. Cost: nothing.

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

export class Options {
  restore = true;
  follow = false;
  indicator = true;
  /** Called after each change. */
  changed: () => void = () => undefined;

  /** Reads the settings, now and whenever they change. */
  async load(registry: ISettingRegistry | null, plugin: string): Promise<void> {
    const settings = await registry?.load(plugin).catch(() => undefined);
    const read = (): void => {
      for (const name of ['restore', 'follow', 'indicator'] as const) {
        const value = settings?.composite[name];
        if (typeof value === 'boolean') this[name] = value;
      }
      this.changed();
    };
    settings?.changed.connect(read);
    read();
  }
}
