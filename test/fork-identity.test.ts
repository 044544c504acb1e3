import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeAgentGuest, VitrineProgram } from './guests/agent-guest.ts';
import { LEASE_SCRIPT } from './guests/network-guest.ts';

/** What `vitrine info` tells of who a machine is. */
interface Identity {
  readonly macs: readonly string[];
  readonly uuid: string;
}

const NET = ['--net', 'switch:lab,model=virtio', '--net', 'switch:lab,model=e1000'];
const LEASE = 'udhcpc -i eth0 -s /bin/lease -n -q -f -t 10';
const LIST_MACS = 'cat /sys/class/net/eth0/address /sys/class/net/eth1/address';

describe('forks of a Linux guest on a switch', { timeout: 900_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-fork-test-'));
  const vitrine = new VitrineProgram(folder);

  async function succeed(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await vitrine.run(args);
    assert.equal(status, 0, stderr);
    return stdout.toString();
  }
  const exec = (name: string, script: string) => succeed('exec', '--wait', '300', '-n', name, '--', 'sh', '-c', script);
  const identity = async (name: string) => JSON.parse(await succeed('info', '--json', name)) as Identity;

  after(async () => {
    for (const name of ['original', 'one', 'two']) await vitrine.run(['stop', '--force', name]);
    rmSync(folder, { recursive: true });
  });

  it('have addresses of their own at once, where there is an agent, and a UUID after they restarted', async (t) => {
    const modules = ['virtio_net', 'e1000', 'af_packet'];
    const script = `${LEASE_SCRIPT}\nip link set eth0 up; ip link set eth1 up`;
    const boot = await makeAgentGuest(folder, { modules, script }).catch((error: Error) => t.skip(error.message));
    if (!boot) return;
    await vitrine.startNamed('original', [...boot, '--memory', '256M', ...NET]);
    const leased = /lease: (\S+)/.exec(await exec('original', LEASE))?.[1];
    await succeed('fork', 'original', 'one', 'two');

    const [original, one, two] = await Promise.all(['original', 'one', 'two'].map(identity));
    assert.equal(new Set([original, one, two].flatMap(({ macs }) => macs)).size, 6);
    assert.equal(new Set([original, one, two].map(({ uuid }) => uuid)).size, 3);
    assert.deepEqual((await exec('original', LIST_MACS)).trim().split('\n'), original.macs);
    assert.deepEqual((await exec('one', LIST_MACS)).trim().split('\n'), one.macs);
    assert.deepEqual((await exec('two', LIST_MACS)).trim().split('\n'), two.macs);

    const addresses = [leased];
    for (const name of ['one', 'two']) addresses.push(/lease: (\S+)/.exec(await exec(name, LEASE))?.[1]);
    assert.equal(new Set(addresses).size, 3, addresses.join());
    assert.match(await exec('one', `ping -c 3 -i 0.2 ${addresses[2]}`), /3 packets received/);
    assert.match(await exec('two', `ping -c 3 -i 0.2 ${addresses[0]}`), /3 packets received/);

    const readUuid = 'cat /sys/class/dmi/id/product_uuid';
    assert.equal((await exec('two', readUuid)).trim(), original.uuid, 'the guest has read it before it was forked');
    const bootId = await exec('two', 'cat /proc/sys/kernel/random/boot_id');
    await vitrine.run(['exec', '-n', 'two', '--', 'reboot', '-f']);
    while ((await exec('two', 'cat /proc/sys/kernel/random/boot_id')) === bootId);
    assert.equal((await exec('two', readUuid)).trim(), two.uuid);
    assert.deepEqual((await exec('two', LIST_MACS)).trim().split('\n'), two.macs);
  });
});
