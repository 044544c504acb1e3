import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { VmControl, VmEvent, VmStatus } from './control.ts';
import { QmpSession } from './qmp.ts';

/** A machine that only remembers what it was told. */
class FakeVm implements VmControl {
  readonly cpuCount = 2;
  status: VmStatus = 'running';
  readonly stats = { instructions: 0n, guestNanos: 0n };
  readonly told: string[] = [];
  readonly listeners = new Set<(event: VmEvent) => void>();

  describe(): string {
    return this.status;
  }
  async pause(): Promise<void> {
    this.status = 'paused';
    this.emit({ kind: 'stop' });
  }
  async resume(): Promise<void> {
    this.status = 'running';
    this.emit({ kind: 'resume' });
  }
  async reset(): Promise<void> {
    this.emit({ kind: 'reset', byGuest: false });
  }
  pressPowerButton(): void {
    this.emit({ kind: 'powerdown' });
  }
  onEvent(listen: (event: VmEvent) => void): () => void {
    this.listeners.add(listen);
    return () => void this.listeners.delete(listen);
  }
  emit(event: VmEvent): void {
    for (const listen of this.listeners) listen(event);
  }
}

function open() {
  const vm = new FakeVm();
  const lines: string[] = [];
  let quits = 0;
  const balloon = {
    actualBytes: 512 << 20,
    statistics: new Map(),
    async setTarget(bytes: number) {
      vm.told.push(`balloon ${bytes}`);
      vm.emit({ kind: 'balloon_change', actualBytes: bytes });
    },
    async askForStatistics() {},
  };
  const target = {
    vm,
    balloon,
    version: '1.2.3',
    utcMillis: () => 1500.25,
    quit() {
      quits++;
    },
  };
  const session = new QmpSession(target, (line) => lines.push(line));
  /** Sends a command and answers what came back. */
  const ask = async (command: unknown): Promise<unknown[]> => {
    lines.length = 0;
    await session.receive(typeof command === 'string' ? command : JSON.stringify(command));
    return lines.map((line) => JSON.parse(line));
  };
  return { vm, lines, session, ask, quits: () => quits };
}

async function negotiated() {
  const opened = open();
  await opened.ask({ execute: 'qmp_capabilities' });
  return opened;
}

const timestamp = { seconds: 1, microseconds: 500250 };
const error = (errorClass: string, desc: string, id?: unknown) => [
  { error: { class: errorClass, desc }, ...(id === undefined ? {} : { id }) },
];

describe('QmpSession', () => {
  it('greets with a version', () => {
    const { lines } = open();
    const version = { qemu: { major: 7, minor: 2, micro: 0 }, package: 'Vitrine 1.2.3' };
    assert.deepEqual(JSON.parse(lines[0] ?? ''), { QMP: { version, capabilities: [] } });
  });

  it('takes no command before the negotiation, and only one negotiation', async () => {
    const { ask } = open();
    const expecting = "Expecting capabilities negotiation with 'qmp_capabilities'";
    assert.deepEqual(await ask({ execute: 'query-status' }), error('CommandNotFound', expecting));
    assert.deepEqual(await ask({ execute: 'qmp_capabilities', id: 7 }), [{ return: {}, id: 7 }]);
    const complete = 'Capabilities negotiation is already complete, command ignored';
    assert.deepEqual(await ask({ execute: 'qmp_capabilities' }), error('CommandNotFound', complete));
  });

  it('returns any id with results and errors', async () => {
    const { ask } = await negotiated();
    assert.deepEqual(await ask({ execute: 'nonsense', id: { a: [1] } }), [
      { error: { class: 'CommandNotFound', desc: 'The command nonsense has not been found' }, id: { a: [1] } },
    ]);
    const status = { status: 'running', singlestep: false, running: true };
    assert.deepEqual(await ask({ execute: 'query-status', id: 'x' }), [{ return: status, id: 'x' }]);
  });

  it('stops and continues with events before the results', async () => {
    const { ask, vm } = await negotiated();
    assert.deepEqual(await ask({ execute: 'stop' }), [{ timestamp, event: 'STOP' }, { return: {} }]);
    assert.equal(vm.status, 'paused');
    assert.deepEqual(await ask({ execute: 'cont' }), [{ timestamp, event: 'RESUME' }, { return: {} }]);
    assert.equal(vm.status, 'running');
  });

  it('resets and presses the power button', async () => {
    const { ask } = await negotiated();
    const data = { guest: false, reason: 'host-qmp-system-reset' };
    assert.deepEqual(await ask({ execute: 'system_reset' }), [{ timestamp, event: 'RESET', data }, { return: {} }]);
    assert.deepEqual(await ask({ execute: 'system_powerdown' }), [{ timestamp, event: 'POWERDOWN' }, { return: {} }]);
  });

  it('asks for memory, and tells what the guest keeps', async () => {
    const { ask, vm } = await negotiated();
    const value = 256 << 20;
    const event = { timestamp, event: 'BALLOON_CHANGE', data: { actual: value } };
    assert.deepEqual(await ask({ execute: 'balloon', arguments: { value } }), [event, { return: {} }]);
    assert.deepEqual(vm.told, [`balloon ${value}`]);
    assert.deepEqual(await ask({ execute: 'query-balloon' }), [{ return: { actual: 512 << 20 } }]);
    const error = { class: 'GenericError', desc: "Parameter 'target' expects a size" };
    assert.deepEqual(await ask({ execute: 'balloon', arguments: { value: 0 } }), [{ error }]);
  });

  it('quits after SHUTDOWN and its reply', async () => {
    const { ask, quits } = await negotiated();
    const data = { guest: false, reason: 'host-qmp-quit' };
    assert.deepEqual(await ask({ execute: 'quit' }), [{ timestamp, event: 'SHUTDOWN', data }, { return: {} }]);
    assert.equal(quits(), 1);
  });

  it('lists exactly the commands it takes', async () => {
    const { ask } = await negotiated();
    const [{ return: commands }] = (await ask({ execute: 'query-commands' })) as [{ return: { name: string }[] }];
    const names = commands.map(({ name }) => name).sort();
    const expected =
      'balloon blockdev-change-medium cont eject human-monitor-command input-send-event job-dismiss qmp_capabilities ' +
      'query-balloon query-block query-commands query-cpus-fast query-jobs query-status query-version quit screendump send-key ' +
      'snapshot-save stop system_powerdown system_reset vitrine-info vitrine-serial-listen vitrine-serial-type ' +
      'vitrine-snapshot';
    assert.equal(names.join(' '), expected);
  });

  it('tells a panic and the shutdown by the guest', async () => {
    const { lines, vm } = await negotiated();
    lines.length = 0;
    vm.emit({ kind: 'shutdown', reason: 'panic' });
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [
        { timestamp, event: 'GUEST_PANICKED', data: { action: 'poweroff' } },
        { timestamp, event: 'SHUTDOWN', data: { guest: true, reason: 'guest-panic' } },
      ],
    );
  });

  it('sends no event before the negotiation or after its close', async () => {
    const { ask, lines, vm, session } = open();
    vm.emit({ kind: 'stop' });
    assert.equal(lines.length, 1);
    await ask({ execute: 'qmp_capabilities' });
    session.close();
    vm.emit({ kind: 'resume' });
    assert.equal(lines.length, 1);
  });

  it('refuses what is no request, in words, and goes on', async () => {
    const { ask } = await negotiated();
    const generic = (desc: string) => error('GenericError', desc);
    assert.deepEqual(await ask('hello\n'), generic('JSON parse error'));
    assert.deepEqual(await ask('[1]'), generic('QMP input must be a JSON object'));
    assert.deepEqual(await ask('{}'), generic("QMP input lacks member 'execute'"));
    assert.deepEqual(await ask({ execute: 1 }), generic("QMP input member 'execute' must be a string"));
    assert.deepEqual(
      await ask({ execute: 'stop', arguments: [] }),
      generic("QMP input member 'arguments' must be an object"),
    );
    assert.deepEqual(await ask({ execute: 'stop', arguments: { a: 1 } }), generic("Parameter 'a' is unexpected"));
    assert.deepEqual(await ask({ execute: 'stop', foo: 1 }), generic("QMP input member 'foo' is unexpected"));
    assert.deepEqual(
      await ask({ execute: 'toString' }),
      error('CommandNotFound', 'The command toString has not been found'),
    );
    assert.equal((await ask({ execute: 'query-version' })).length, 1);
  });

  it('answers commands in the order they came', async () => {
    const { ask } = await negotiated();
    const replies = await ask('{"execute":"stop","id":1}{"execute":"query-status","id":2}{"execute":"cont","id":3}');
    const ids = replies.flatMap((reply) => ('id' in (reply as object) ? [(reply as { id: number }).id] : []));
    assert.deepEqual(ids, [1, 2, 3]);
  });
});
