// A browser's worker that goes on from the server's snapshot, types a line there, saves the machine to the origin's private
// file system, and sends the file to the server with what the guest has said.
import { BlobSource, FileSink, HttpSource, type WritableFile } from '../../src/host/browser/snapshot-files.ts';
import { browserTime } from '../../src/host/browser/time.ts';
import { configurationIn, deflateCodec, SnapshotFile, type SnapshotSource, Vm } from '../../src/vm/index.ts';

/** What the origin's private file system has, as this needs it. */
interface PrivateFiles {
  getFileHandle(name: string, options: { create: true }): Promise<PrivateFile>;
}
interface PrivateFile {
  createWritable(): Promise<WritableFile>;
  getFile(): Promise<Blob>;
}

const NAME = 'saved.vsnap';

const parameters = new URL(import.meta.url).searchParams;
const [line, wanted] = [parameters.get('line') ?? '', parameters.get('wanted') ?? ''];

/** A machine that goes on, and its serial line. */
async function goOn(source: SnapshotSource) {
  const snapshot = await SnapshotFile.open(source);
  const { memoryBytes, cpuCount } = configurationIn(snapshot);
  let [output, typed] = ['', ''];
  let receive = (_byte: number): unknown => false;
  const said = Promise.withResolvers<void>();
  const serial = {
    send(byte: number) {
      output += String.fromCharCode(byte);
      if (output.includes(wanted)) said.resolve();
    },
    onByte: (take: typeof receive) => {
      receive = take;
    },
  };
  const fixed = {
    commandLine: '',
    clock: 'host',
    seed: BigInt(Date.now()),
    noReboot: true,
    sharedMemory: false,
  } as const;
  const vm = await Vm.create({
    ...fixed,
    memoryBytes,
    cpuCount,
    snapshot,
    serial: [serial, undefined],
    host: browserTime,
  });
  void vm.run();
  typed = `${line}\n`;
  const type = () => {
    while (typed !== '' && receive(typed.charCodeAt(0)) !== false) typed = typed.slice(1);
    if (typed !== '') setTimeout(type, 1);
  };
  type();
  await said.promise;
  return { vm, output: () => output };
}

async function run(): Promise<void> {
  const { vm, output } = await goOn(await HttpSource.open('/snapshot'));
  const { storage } = navigator as unknown as { storage: { getDirectory(): Promise<PrivateFiles> } };
  const handle = await (await storage.getDirectory()).getFileHandle(NAME, { create: true });
  const file = await handle.createWritable();
  await vm.snapshot(new FileSink(file), { codec: deflateCodec });
  await file.close();
  await vm.pause();
  const saved = await handle.getFile();
  await goOn(new BlobSource(saved)); // it can be read here, too
  await fetch('/saved', { method: 'POST', body: saved });
  await fetch('/output', { method: 'POST', body: output() });
}

await run().catch((error: Error) => fetch('/failure', { method: 'POST', body: `${error.message}\n${error.stack}` }));
