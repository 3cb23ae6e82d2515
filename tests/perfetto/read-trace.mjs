// tests/perfetto/read-trace.mjs FOLDER FILE NAME... - a time line as Perfetto's trace processor understands it. It must find fault with nothing,
// and have each NAME as a slice or an instant that takes no negative time. What it found is printed, one JSON object.
//
// FOLDER has the processor as its page runs it: WebAssembly, and the script of a web worker that it is spoken to through.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';

const [folder, file, ...wanted] = process.argv.slice(2);

// The worker's script, told that its memory is of 32 bits, as the processor's here is, and where the processor is; it tells when it is ready.
function script() {
    const edits = [
        ['hasMemory64Support();', 'false;'],
        ['locateFile: (s) => s,', 'locateFile: (s) => s, wasmBinary: self.processor,'],
        ['onRuntimeInitialized: () =>', 'onRuntimeInitialized: () => self.ready() ||'],
    ];
    let text = readFileSync(join(folder, 'engine_bundle.node.js'), 'utf8');
    for (const [from, to] of edits) {
        if (!text.includes(from)) throw new Error(`the processor's script has changed: no "${from}" in it`);
        text = text.replace(from, to);
    }
    return text;
}

// Our end of a channel to a processor, once it is ready.
async function start() {
    const { port1, port2 } = new MessageChannel();
    globalThis.self = globalThis;
    globalThis.WorkerGlobalScope = class {};
    globalThis.location = { href: 'file:///' };
    globalThis.processor = readFileSync(join(folder, 'trace_processor.wasm'));
    const ready = new Promise((resolve) => (globalThis.ready = () => void setTimeout(resolve))); // after what the script does then
    vm.runInThisContext(script(), { filename: 'engine_bundle.node.js' });
    globalThis.onmessage({ data: port1 });
    await ready;
    return port2;
}

async function open(trace) {
    const { EngineBase } = await import(join(folder, 'engine.mjs'));
    const port = await start();
    const engine = new (class extends EngineBase {
        mode = 'WASM';
        id = 'test';
        rpcSendRequestBytes(bytes) {
            port.postMessage(bytes);
        }
    })();
    port.onmessage = (message) => engine.onRpcResponseBytes(message.data);
    await engine.parse(trace);
    await engine.notifyEof();
    return { engine, close: () => port.close() };
}

async function query(engine, sql) {
    const result = await engine.query(sql);
    const rows = [];
    for (const it = result.iter({}); it.valid(); it.next())
        rows.push(Object.fromEntries(result.columns().map((c) => [c, typeof it.get(c) === 'bigint' ? Number(it.get(c)) : it.get(c)])));
    return rows;
}

const { engine, close } = await open(readFileSync(file));
const faults = await query(engine, "select name, value from stats where severity in ('error', 'data_loss') and value > 0");
const slices = await query(engine, 'select name, count(*) as n, min(dur) as least, sum(depth > 0) as nested from slice group by name');
const processes = await query(engine, 'select name from process where name is not null');
close();

const found = { faults, slices, processes: processes.map((p) => p.name) };
console.log(JSON.stringify(found));
const missing = wanted.filter((name) => !slices.some((s) => s.name === name && s.n > 0 && s.least >= 0));
if (faults.length > 0 || missing.length > 0 || processes.length === 0) {
    console.error(`read-trace: Perfetto finds ${faults.length} faults, ${processes.length} processes, and no ${missing.join(', ')}`);
    process.exitCode = 1;
}
