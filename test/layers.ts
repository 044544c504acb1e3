import { posix } from 'node:path';
import { type ParseResult, parseSync } from 'oxc-parser';
import type { SourceFile } from './source-files.ts';

/** What a folder of src may import. `base` is open to all. */
interface LayerRule {
  /** Folders that may be imported freely. */
  readonly imports: readonly string[];
  /** Folders whose types alone may be imported, besides what stands in their interfaces.ts. */
  readonly types?: readonly string[];
  /** Whether modules of Node and packages may be imported. */
  readonly host?: boolean;
}

/** The layers, lowest first, as in ARCHITECTURE.md. */
const LAYERS: Readonly<Record<string, LayerRule>> = {
  base: { imports: [] },
  wasm: { imports: [] },
  ir: { imports: [] },
  isa: { imports: ['ir'] },
  machine: { imports: [] },
  cpu: { imports: ['isa', 'ir', 'wasm', 'machine'] },
  disk: { imports: [], types: ['machine'] },
  net: { imports: [], types: ['machine'] },
  display: { imports: [], types: ['machine'] },
  devices: { imports: ['machine'], types: ['disk', 'net', 'display'] },
  boards: { imports: ['devices', 'cpu', 'machine', 'isa'] },
  vm: { imports: ['boards', 'disk', 'net', 'display', 'machine'] },
  api: { imports: [] },
  'host/node': { imports: [], types: ['machine', 'disk', 'net', 'display', 'vm'], host: true },
  'host/browser': { imports: [], types: ['machine', 'disk', 'net', 'display', 'vm'] },
  manager: { imports: ['api', 'vm', 'disk', 'host/node'], host: true },
  cli: { imports: ['api', 'vm', 'disk', 'net', 'host/node'], host: true },
  console: { imports: ['api', 'host/browser'], host: true },
};

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Lists every import that the layers forbid, a line each: file, what it imports and why that is wrong. */
export function findForbiddenImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((found) => {
      const reason = whyForbidden(file.path, found);
      return reason === undefined ? [] : [`${file.path} imports ${found.specifier}: ${reason}`];
    }),
  );
}

function importsOf(file: SourceFile): Import[] {
  const parsed = parseSync(file.path, file.text);
  if (parsed.errors.length > 0) throw new Error(`${file.path}: ${parsed.errors[0]?.message}`);
  return [...staticImports(parsed), ...reExports(parsed), ...dynamicImports(parsed, file.text)];
}

function staticImports({ module }: ParseResult): Import[] {
  return module.staticImports.map((found) => ({
    specifier: found.moduleRequest.value,
    typeOnly: found.entries.length > 0 && found.entries.every((entry) => entry.isType),
  }));
}

function reExports({ module }: ParseResult): Import[] {
  return module.staticExports
    .flatMap((found) => found.entries)
    .flatMap(({ moduleRequest, isType }) =>
      moduleRequest ? [{ specifier: moduleRequest.value, typeOnly: isType }] : [],
    );
}

function dynamicImports({ module }: ParseResult, text: string): Import[] {
  return module.dynamicImports.map(({ moduleRequest }) => ({
    specifier: text.slice(moduleRequest.start, moduleRequest.end).replace(/^(['"`])(.*)\1$/, '$2'),
    typeOnly: false,
  }));
}

function whyForbidden(importer: string, { specifier, typeOnly }: Import): string | undefined {
  const from = layerOf(importer);
  const rule = LAYERS[from];
  if (rule === undefined) return `src/${from} is not a layer`;
  if (!specifier.startsWith('.')) return rule.host ? undefined : 'the core imports no package and no module of Node';
  const target = posix.join(posix.dirname(importer), specifier);
  const to = layerOf(target);
  if (from === 'devices' && to === 'devices') return whyForbiddenDevice(importer, target);
  if (to === from || to === 'base' || rule.imports.includes(to)) return undefined;
  if (!rule.types?.includes(to)) return `${from} may not import ${to}`;
  if (typeOnly || posix.basename(target) === 'interfaces.ts') return undefined;
  return `${from} may import only interfaces of ${to}`;
}

function whyForbiddenDevice(importer: string, target: string): string | undefined {
  return deviceOf(importer) === deviceOf(target) ? undefined : "a device may not import another device's folder";
}

/** The folder below src that a path belongs to; two folders deep below src/host. */
function layerOf(path: string): string {
  const [, first = '', second = ''] = path.split('/');
  return first === 'host' ? `host/${second}` : first;
}

function deviceOf(path: string): string | undefined {
  return path.split('/')[2];
}
