// Which notebooks use a kernel, from the server's sessions API. Users who may not read that API see none.
//
// Paths and names come from other users: they are shown as text, and links stay on this server.

const PERIOD_MS = 5000;

export class Notebooks {
  constructor(base, open) {
    // The page's requests must not count as activity, or an idle server would not be culled.
    this.url = `${base}/api/sessions?no_track_activity=1`;
    this.open = open;
    this.asked = -Infinity;
    this.byKernel = new Map();
  }

  // Requests the notebooks, at most once in PERIOD_MS; resolves to whether it did.
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
