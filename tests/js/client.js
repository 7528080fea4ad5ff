// JupyterLab's own kernel client under Node: connects to a kernel, runs one cell, and prints what it is handed, as JSON lines.
// Usage: node client.js BASE_URL TOKEN KERNEL_JSON CODE
// It must not look at messages before @jupyterlab/services has: what that cancels must be missing here. A comm message with
// `pause` is handled for that many milliseconds, and JupyterLab queues meanwhile what follows.

const ws = require('ws');
const { KernelConnection, ServerConnection } = require('@jupyterlab/services');

const [baseUrl, token, model, code] = process.argv.slice(2);
const say = (event, data = {}) => process.stdout.write(JSON.stringify({ event, ...data }) + '\n');
console.log = console.debug = console.info = console.error; // stdout is for events alone

async function main() {
  const serverSettings = ServerConnection.makeSettings({
    baseUrl,
    wsUrl: baseUrl.replace(/^http/, 'ws'),
    token,
    appendToken: true,
    WebSocket: ws
  });
  const kernel = new KernelConnection({ model: JSON.parse(model), serverSettings });
  kernel.registerCommTarget('test', comm => {
    say('comm_open');
    comm.onMsg = message => {
      const { pause, n } = message.content.data;
      say('comm_msg', { n });
      return new Promise(resolve => setTimeout(resolve, pause));
    };
  });
  await kernel.info;
  say('connected', { clientId: kernel.clientId });
  const future = kernel.requestExecute({ code });
  future.onIOPub = message => say('iopub', { type: message.header.msg_type, content: message.content });
  const reply = await future.done;
  say('done', { status: reply.content.status });
  kernel.dispose();
  process.exit(0);
}

main().catch(error => {
  say('failed', { error: String(error) });
  process.exit(1);
});
