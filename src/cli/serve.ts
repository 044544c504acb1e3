import { resolve } from 'node:path';
import type { SharedLine } from '../host/node/shared-line.ts';
import type { QmpTarget } from '../vm/qmp.ts';
import type { AgentChannels } from './agent.ts';
import { serveNamed } from './control.ts';
import type { OutsideEnding } from './endings.ts';
import { formatMac } from './mac-address.ts';
import type { Machine } from './machine.ts';
import { qmpTarget, serveQmp } from './qmp.ts';
import type { RunOptions } from './run-options.ts';
import { saveMachine } from './snapshots.ts';
import { formatUuid } from './values.ts';

/**
 * Serves the sockets that options ask for until the returned function is called: QMP, and the one of a named machine.
 * @param line COM1, where it can be shared  @param agents the channels to agents in the guest, if there are some  @throws {CliError} one cannot be had
 */
export async function serveMachine(
  machine: Machine,
  options: RunOptions,
  outside: OutsideEnding,
  line: SharedLine | undefined,
  agents: AgentChannels | undefined,
): Promise<() => Promise<void>> {
  const target: QmpTarget = qmpTarget(machine, outside, {
    line,
    saveSnapshot: (path, codec) => saveMachine(machine, options, path, codec),
    describeNamed: () => describe(machine, options),
  });
  const stopNamed = options.name === undefined ? undefined : await serveNamed(options.name, target, agents);
  const stopQmp = options.qmp && (await serveQmp(options.qmp, target));
  return async () => {
    stopQmp?.();
    await stopNamed?.();
  };
}

/** What `vitrine info` tells. */
function describe(machine: Machine, options: RunOptions): Record<string, unknown> {
  const { instructions, guestNanos } = machine.stats;
  return {
    name: options.name ?? null,
    pid: process.pid,
    status: machine.status,
    memoryBytes: options.memoryBytes,
    accel: options.accel,
    clock: options.clock,
    guestSeconds: Number(guestNanos) / 1e9,
    instructions: Number(instructions),
    guest: machine.describe(),
    disks: (machine.drives?.bays ?? []).flatMap(({ id, inserted }) => (inserted ? [{ id, name: inserted.name }] : [])),
    networks: options.networks.flatMap((network) => (network.kind === 'none' ? [] : [network.model])),
    ...(options.vsock?.path !== undefined && { vsock: resolve(options.vsock.path) }),
    macs: machine.identity.macs.map(formatMac),
    uuid: formatUuid(machine.identity.uuid),
  };
}
