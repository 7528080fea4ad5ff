// The plugin: restores the output of notebooks that are opened, and shows the connection of the current one.
//
// Must not do anything where the server does not keep executions, where another extension runs the cells, or where the document
// belongs to the server (real-time collaboration): there it says so once in the console. Cost: see `restore` and `indicator`.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig, URLExt } from '@jupyterlab/coreutils';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import type { IDisposable } from '@lumino/disposable';
import { Indicator } from './indicator.ts';
import { Options } from './options.ts';
import { NotebookRestorer } from './restore.ts';
import { Console, pageReason } from './step_back.ts';

const ID = 'kernelws:plugin';
const SHOW_STATUS = 'kernelws:show-status';

/** Notebook 7 has no status bar, nor the module of `IStatusBar`, which is undefined there. */
const optional = [ISettingRegistry, IStatusBar as typeof IStatusBar | undefined].flatMap(token => token ?? []);

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Restores the output of cells after a reload, and shows the connection to the kernel.',
  autoStart: true,
  requires: [INotebookTracker],
  optional,
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker, registry: ISettingRegistry | null, statusBar?: IStatusBar | null) => {
    const notes = new Console();
    const reason = pageReason();
    if (reason !== null) {
      notes.say(reason);
      return;
    }
    const options = new Options();
    const loaded = options.load(registry, ID);
    const restore = (panel: NotebookPanel): void => {
      void loaded.then(() => {
        restoreIn(panel, options, notes);
      });
    };
    tracker.forEach(restore);
    tracker.widgetAdded.connect((_, panel) => {
      restore(panel);
    });
    app.commands.addCommand(SHOW_STATUS, {
      label: 'Show Connection on the Status Page',
      caption: 'Open the status page of kernelws at the kernel of this notebook',
      isEnabled: () => kernelOf(tracker) !== '',
      execute: () => {
        window.open(`${URLExt.join(PageConfig.getBaseUrl(), 'kernelws')}#kernel-${kernelOf(tracker)}`, '_blank', 'noopener');
      }
    });
    void loaded.then(() => {
      addIndicator(app, tracker, options, statusBar ?? null);
    });
  }
};

export default plugin;

function restoreIn(panel: NotebookPanel, options: Options, notes: Console): void {
  if (panel.isDisposed) return;
  if (panel.context.model.collaborative) {
    notes.say('real-time collaboration keeps the output of this notebook');
    return;
  }
  new NotebookRestorer(panel, options, reason => {
    notes.say(reason);
  });
}

/** In the status bar, or beside the title where there is none: in Notebook 7. */
function addIndicator(app: JupyterFrontEnd, tracker: INotebookTracker, options: Options, statusBar: IStatusBar | null): void {
  let indicator: Indicator | null = null;
  let item: IDisposable | null = null;
  const update = (): void => {
    if (options.indicator === (indicator !== null)) return;
    item?.dispose();
    indicator?.dispose();
    item = indicator = null;
    if (!options.indicator) return;
    indicator = new Indicator(() => void app.commands.execute(SHOW_STATUS));
    indicator.id = 'kernelws-indicator';
    if (statusBar) item = statusBar.registerStatusItem(ID, { item: indicator, align: 'right', rank: 100 });
    else app.shell.add(indicator, 'top', { rank: 900 });
    indicator.follow(tracker.currentWidget);
  };
  tracker.currentChanged.connect((_, panel) => {
    indicator?.follow(panel);
  });
  options.changed = update;
  update();
}

function kernelOf(tracker: INotebookTracker): string {
  return tracker.currentWidget?.sessionContext.session?.kernel?.id ?? '';
}
