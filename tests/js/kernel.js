// What the programs of this folder share: JupyterLab's own kernel client, and events that are JSON lines on stdout.
// It must not look at messages: a program does, or the test that reads what it prints.

const ws = require('ws');
const { KernelConnection, ServerConnection } = require('@jupyterlab/services');

console.log = console.debug = console.info = console.error; // stdout is for events alone

const say = (event, data = {}) => process.stdout.write(JSON.stringify({ event, ...data }) + '\n');

function connection(baseUrl, token, model) {
  const serverSettings = ServerConnection.makeSettings({
    baseUrl,
    wsUrl: baseUrl.replace(/^http/, 'ws'),
    token,
    appendToken: true,
    WebSocket: ws
  });
  return new KernelConnection({ model, serverSettings });
}

function start(main) {
  main().catch(error => {
    say('failed', { error: String(error) });
    process.exit(1);
  });
}

module.exports = { say, connection, start };
