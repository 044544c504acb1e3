import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findForbiddenImports } from './layers.ts';
import { projectRoot, readSources } from './source-files.ts';

const forbidden: [path: string, text: string, why: RegExp][] = [
  ['src/machine/bus.ts', "import { Pit } from '../devices/pit/pit.ts';", /machine may not import devices/],
  ['src/devices/pit/pit.ts', "import { Cpu } from '../../cpu/cpu.ts';", /devices may not import cpu/],
  ['src/devices/pit/pit.ts', "import { Pic } from '../pic/pic.ts';", /another device's folder/],
  ['src/devices/pit/pit.ts', "import type { State } from '../pic/state.ts';", /another device's folder/],
  ['src/devices/ide/ide.ts', "import { Qcow2 } from '../../disk/qcow2.ts';", /only interfaces of disk/],
  ['src/devices/ide/ide.ts', "export * from '../../disk/qcow2.ts';", /only interfaces of disk/],
  ['src/cpu/run.ts', "import { readFileSync } from 'node:fs';", /no module of Node/],
  ['src/vm/vm.ts', "await import('node:fs');", /no module of Node/],
  ['src/vm/vm.ts', "import 'commander';", /no package/],
  ['src/vm/vm.ts', "import { StdioPort } from '../host/node/stdio.ts';", /vm may not import host\/node/],
  ['src/host/node/files.ts', "import { Vm } from '../../vm/vm.ts';", /only interfaces of vm/],
  ['src/ir/nodes.ts', "import type { Row } from '../isa/row.ts';", /ir may not import isa/],
  ['src/misc/thing.ts', "import '../base/bits.ts';", /not a layer/],
];

const allowed: [path: string, text: string][] = [
  ['src/cpu/mmu.ts', "import { NotRam } from '../machine/interfaces.ts';"],
  ['src/devices/pit/pit.ts', "import { bit } from '../../base/bits.ts'; import { STATE } from './state.ts';"],
  ['src/devices/ide/ide.ts', "import type { Raw } from '../../disk/raw.ts';"],
  ['src/devices/ide/ide.ts', "import { SECTOR } from '../../disk/interfaces.ts';"],
  ['src/cli/run.ts', "import { open } from 'node:fs'; import { Command } from 'commander';"],
];

/** Type-checks a text as if it were part of the core and resolves to the compiler's complaints. */
async function checkAsCore(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-layers-'));
  try {
    await writeFile(join(folder, 'fixture.ts'), text);
    const config = { extends: join(projectRoot, 'tsconfig.core.json'), include: ['fixture.ts'], exclude: [] };
    const globals = ['globals.d.ts', 'webassembly.d.ts'].map((name) => join(projectRoot, 'src/base', name));
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ ...config, files: globals }));
    const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
    return await new Promise((resolve) =>
      execFile(process.execPath, [compiler, '-p', folder], (_error, stdout) => resolve(stdout)),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('layers', () => {
  it('no source file imports what its layer may not', () => {
    assert.deepEqual(findForbiddenImports(readSources('src')), []);
  });

  for (const [path, text, why] of forbidden) {
    it(`forbids ${path} ${text}`, () => {
      const found = findForbiddenImports([{ path, text }]);
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', why);
    });
  }

  for (const [path, text] of allowed) {
    it(`allows ${path} ${text}`, () => {
      assert.deepEqual(findForbiddenImports([{ path, text }]), []);
    });
  }

  it('a global of Node or the DOM does not type-check in the core, a shared one does', async () => {
    const complaints = await checkAsCore('process.exit(); document.title; new TextEncoder(); WebAssembly.compile;');
    assert.match(complaints, /Cannot find name 'process'/);
    assert.match(complaints, /Cannot find name 'document'/);
    assert.doesNotMatch(complaints, /TextEncoder|WebAssembly/);
  });
});
