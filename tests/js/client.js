// JupyterLab's own kernel client under Node: connects to a kernel, runs one cell, and prints what it is handed, as JSON lines.
// Usage: node client.js BASE_URL TOKEN KERNEL_JSON CODE
// Must not read messages before @jupyterlab/services does, so that messages that it cancels are missing here. Handling a comm
// message with `pause` takes that many milliseconds; meanwhile JupyterLab queues the messages that follow.

const { say, connection, start } = require('./kernel.js');

const [baseUrl, token, model, code] = process.argv.slice(2);

async function main() {
  const kernel = connection(baseUrl, token, JSON.parse(model));
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

start(main);
