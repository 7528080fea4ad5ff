// JupyterLab's own kernel client under Node does everything that a notebook does with its kernel, and prints what it is handed.
// Usage: node everything.js BASE_URL TOKEN KERNEL_ID STEPS_JSON
// STEPS_JSON holds the code of the steps: {comm, wait, flood}. Each line printed is one event in JSON.
// It must not judge: the test does. It reconnects only as JupyterLab does by itself.

const { say, connection, start } = require('./kernel.js');

const [baseUrl, token, id, stepsJson] = process.argv.slice(2);
const steps = JSON.parse(stepsJson);

const bytes = view => Array.from(new Uint8Array(view.buffer ?? view, view.byteOffset ?? 0, view.byteLength));

async function run(kernel, code, options = {}, onOutput = () => {}) {
  const outputs = [];
  const future = kernel.requestExecute({ code, ...options.content });
  future.onIOPub = message => {
    outputs.push({ id: message.header.msg_id, type: message.header.msg_type, content: message.content });
    onOutput(message);
  };
  future.onStdin = message => {
    outputs.push({ type: message.header.msg_type, content: message.content });
    future.sendInputReply({ status: 'ok', value: options.answer }, message.header);
  };
  const reply = await future.done;
  return { reply: reply.content, outputs };
}

async function comm(kernel) {
  let echoed;
  const echo = new Promise(resolve => (echoed = resolve));
  kernel.registerCommTarget('test', (channel, opened) => {
    say('comm_open', { data: opened.content.data, buffers: opened.buffers.map(bytes) });
    channel.onMsg = message => echoed({ data: message.content.data, buffers: message.buffers.map(bytes) });
    channel.send({ n: 1 }, undefined, [new Uint8Array([0, 1, 2]).buffer, new Uint8Array([]).buffer]);
  });
  await run(kernel, steps.comm);
  say('comm_msg', await echo);
}

async function main() {
  const kernel = connection(baseUrl, token, { id, name: 'python3' });
  kernel.connectionStatusChanged.connect((_, status) => say('connection', { status }));
  await kernel.info;
  say('execute', await run(kernel, '6 * 7'));
  say('display', await run(kernel, "handle = display('one', display_id=True); handle.update('two')"));
  await comm(kernel);
  say('stdin', await run(kernel, "print(input('name? ') + '!')", { content: { allow_stdin: true }, answer: 'é' }));
  say(
    'interrupt',
    await run(kernel, steps.wait, {}, message => {
      if (message.header.msg_type === 'stream') kernel.interrupt();
    })
  );
  await run(kernel, 'before = 1');
  await kernel.restart();
  say('restart', await run(kernel, "'before' in globals()"));
  let said = false;
  const flood = await run(kernel, steps.flood, {}, message => {
    if (message.header.msg_type === 'stream' && !said) say('flooding');
    said = said || message.header.msg_type === 'stream';
  });
  say('flood', flood);
  kernel.dispose();
  process.stdout.write('', () => process.exit(0)); // once a pipe has taken all of it
}

start(main);
