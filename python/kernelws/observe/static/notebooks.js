// Which notebook a kernel belongs to, as the server's sessions API says. Who may not read that API is shown none.
//
// The answer holds paths and names that others have chosen: they are shown as text, and a link leads below this server.

const PERIOD_MS = 5000;

export class Notebooks {
  constructor(base, open) {
    // Looking at the page is no activity: an idle server is culled all the same.
    this.url = `${base}/api/sessions?no_track_activity=1`;
    this.open = open;
    this.asked = -Infinity;
    this.byKernel = new Map();
  }

  // Asks again, if it is time to; says whether there is an answer.
  async refresh(now = performance.now()) {
    if (now - this.asked < PERIOD_MS) return false;
    this.asked = now;
    const response = await fetch(this.url, { cache: "no-store" }).catch(() => null);
    const found = response?.ok ? await response.json().catch(() => []) : [];
    this.byKernel = new Map();
    for (const { kernel, path, name, type } of Array.isArray(found) ? found : []) {
      if (!kernel?.id) continue;
      const of = this.byKernel.get(kernel.id) ?? [];
      of.push(this.entry(String(path ?? ""), String(name ?? ""), type));
      this.byKernel.set(kernel.id, of);
    }
    return true;
  }

  entry(path, name, type) {
    const file = path.slice(path.lastIndexOf("/") + 1);
    const isFile = type === "notebook" || type === "file";
    const text = isFile && path ? path + (name && name !== file ? ` (${name})` : "") : name || path;
    const address = path.split("/").map(encodeURIComponent).join("/");
    return { text, href: isFile && path && this.open ? this.open + address : "" };
  }

  of(kernelId) {
    return this.byKernel.get(kernelId) ?? [];
  }
}
