// Compares outputs of a cell as a reader sees them. Pure: must not change what it gets. Cost: one pass over the outputs.

import type { IOutput } from '@jupyterlab/nbformat';

/** Whether two lists of outputs show the same. Text that a stream has in pieces counts as one text. */
export function sameOutputs(one: readonly IOutput[], other: readonly IOutput[]): boolean {
  const [found, wanted] = [joined(one), joined(other)];
  // Most often the file has no output at all, so nothing large is compared
  return found.length === wanted.length && found.every((output, index) => canonical(output) === canonical(wanted[index]));
}

function joined(outputs: readonly IOutput[]): IOutput[] {
  const result: IOutput[] = [];
  for (const output of outputs) {
    const last = result.at(-1);
    if (last?.output_type === 'stream' && output.output_type === 'stream' && last.name === output.name) {
      result[result.length - 1] = { ...last, text: text(last) + text(output) };
    } else {
      result.push(output.output_type === 'stream' ? { ...output, text: text(output) } : output);
    }
  }
  return result;
}

function text(output: IOutput): string {
  const { text } = output as { text: string | string[] };
  return Array.isArray(text) ? text.join('') : text;
}

/** JSON with the keys of objects in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, found: unknown) =>
    found !== null && typeof found === 'object' && !Array.isArray(found)
      ? Object.fromEntries(Object.entries(found).sort(([one], [other]) => (one < other ? -1 : 1)))
      : found
  );
}
