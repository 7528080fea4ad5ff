// JupyterLab's own kernel client under Node takes over a cell that another page began, and prints what its future is handed.
// Usage: node attach.js BASE_URL TOKEN KERNEL_JSON MSG_ID ANSWER
// It registers a future for the old request with a message that the server never forwards, then asks by HTTP. It answers the
// cell's prompts with ANSWER. It must not judge: the test does.

const { KernelMessage } = require('@jupyterlab/services');
const { say, connection, start } = require('./kernel.js');

const [baseUrl, token, model, msgId, answer] = process.argv.slice(2);

async function connected(kernel) {
  if (kernel.connectionStatus !== 'connected') {
    await new Promise(resolve =>
      kernel.connectionStatusChanged.connect((_, status) => status === 'connected' && resolve())
    );
  }
}

async function main() {
  const kernel = connection(baseUrl, token, JSON.parse(model));
  kernel.statusChanged.connect((_, status) => say('status', { status }));
  await connected(kernel);
  const request = KernelMessage.createMessage({
    msgType: 'kernelws_attach_request',
    channel: 'shell',
    msgId,
    session: kernel.clientId,
    username: kernel.username,
    content: {}
  });
  const future = kernel.sendShellMessage(request, true, false);
  future.onIOPub = message =>
    say('iopub', { type: message.header.msg_type, id: message.header.msg_id, content: message.content });
  future.onStdin = message => {
    say('prompt', { content: message.content });
    future.sendInputReply({ status: 'ok', value: answer }, message.header);
  };
  const response = await fetch(`${baseUrl}kernelws/api/kernels/${kernel.id}/executions/attach`, {
    method: 'POST',
    headers: { Authorization: `token ${token}` },
    body: JSON.stringify({ session_id: kernel.clientId, msg_ids: [msgId] })
  });
  say('attached', { code: response.status, body: await response.json() });
  const reply = await future.done;
  say('done', { reply: reply.content });
  kernel.dispose();
  process.exit(0);
}

start(main);
