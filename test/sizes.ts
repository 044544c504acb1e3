import { parseSync } from 'oxc-parser';
import type { SourceFile } from './source-files.ts';

/** The budgets of every source file outside the tests. A device's wires are its public methods beside the four that
 * make it a device: its pins and what else the board connects. */
export const BUDGET = { fileLines: 500, functionLines: 60, medianFunctionLines: 9, deviceWires: 4 } as const;

/** What may exceed a budget, and why: keys are `path`, or `path#name` of a function or device class. */
export type Exemptions = Readonly<Record<string, string>>;

/** The size of one thing: `subject` is a path, or `path#name`. */
interface Size {
  readonly kind: 'file' | 'function' | 'device';
  readonly subject: string;
  readonly size: number;
}

const LIMITS = { file: BUDGET.fileLines, function: BUDGET.functionLines, device: BUDGET.deviceWires } as const;
const UNITS = { file: 'lines', function: 'lines', device: 'public methods beside those of Device' } as const;

/** Lists every file, function and device class over its budget, and every exemption that nothing needs. */
export function findOversized(files: readonly SourceFile[], exemptions: Exemptions): string[] {
  const oversized = files.flatMap(sizesOf).filter(({ kind, size }) => size > LIMITS[kind]);
  const needed = new Set(oversized.map(({ subject }) => subject));
  return [
    ...oversized.filter(({ subject }) => exemptions[subject] === undefined).map(describeSize),
    ...Object.keys(exemptions)
      .filter((subject) => !needed.has(subject))
      .map((subject) => `${subject}: the exemption is not needed`),
  ];
}

/** The median length in lines of all functions of these files; inline functions of one expression do not count. */
export function medianFunctionLines(files: readonly SourceFile[]): number {
  const lengths = files.flatMap((file) => sizesOf(file).filter(({ kind }) => kind === 'function'));
  const sorted = lengths.map(({ size }) => size).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function describeSize({ kind, subject, size }: Size): string {
  return `${subject}: ${size} ${UNITS[kind]}, at most ${LIMITS[kind]} are allowed`;
}

/** The parts of a syntax node (ESTree with TypeScript) that are looked at here. */
interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

function sizesOf(file: SourceFile): Size[] {
  const program = parseSync(file.path, file.text).program as unknown as SyntaxNode;
  const lineOf = lineCounter(file.text);
  const lines = (node: SyntaxNode) => lineOf(node.end) - lineOf(node.start) + 1;
  const sizes: Size[] = [];
  visit(program, (node, name) => {
    const subject = `${file.path}#${name}`;
    if (isCountedFunction(node)) sizes.push({ kind: 'function', subject, size: lines(node) });
    if (isDeviceClass(node)) sizes.push({ kind: 'device', subject, size: wires(node) });
  });
  const tableLines = dataTables(program).reduce((sum, table) => sum + lines(table), 0);
  return [...sizes, { kind: 'file', subject: file.path, size: lineOf(file.text.length) - 1 - tableLines }];
}

/** Gives the line, counted from 1, that a position of the text is on. */
function lineCounter(text: string): (position: number) => number {
  const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
  return (position) => {
    const after = ends.findIndex((end) => end >= position);
    return (after < 0 ? ends.length : after) + 1;
  };
}

/** Calls `enter` for every node below `root`, with the name that the nearest declaration around it gives it. */
function visit(root: SyntaxNode, enter: (node: SyntaxNode, name: string) => void, name = ''): void {
  const own = declaredName(root) ?? name;
  enter(root, own);
  for (const child of children(root)) visit(child, enter, own);
}

function children(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flat().filter(isSyntaxNode);
}

function isSyntaxNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

function declaredName({ id, key }: SyntaxNode): string | undefined {
  const named = (id ?? key) as { name?: unknown } | null | undefined;
  return typeof named?.name === 'string' ? named.name : undefined;
}

/** A function with a block body; a lone expression passed along is part of the function around it. */
function isCountedFunction({ type, body }: SyntaxNode): boolean {
  const isFunction = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'].includes(type);
  return isFunction && isSyntaxNode(body) && body.type === 'BlockStatement';
}

function isDeviceClass(node: SyntaxNode): boolean {
  if (node.type !== 'ClassDeclaration') return false;
  const heritage = node.implements as { expression: { name?: string } }[] | undefined;
  return (heritage ?? []).some(({ expression }) => expression.name === 'Device');
}

/** What every device has (src/machine/interfaces.ts). */
const DEVICE_METHODS = new Set(['read', 'write', 'save', 'restore']);

function wires(node: SyntaxNode): number {
  const methods = children(node.body as SyntaxNode).filter(isPublicMethod);
  return methods.filter((method) => !DEVICE_METHODS.has(declaredName(method) ?? '')).length;
}

function isPublicMethod({ type, kind, key, accessibility }: SyntaxNode): boolean {
  if (type !== 'MethodDefinition' || kind !== 'method') return false;
  return (key as SyntaxNode).type !== 'PrivateIdentifier' && (accessibility ?? 'public') === 'public';
}

/** The values of the module's own constants that hold no function: data, however long. */
function dataTables(program: SyntaxNode): SyntaxNode[] {
  return children(program)
    .flatMap((node) => (isSyntaxNode(node.declaration) ? [node.declaration] : [node]))
    .filter(({ type }) => type === 'VariableDeclaration')
    .flatMap((node) => (node.declarations as SyntaxNode[]).flatMap(({ init }) => (isSyntaxNode(init) ? [init] : [])))
    .filter((init) => !containsFunction(init));
}

function containsFunction(node: SyntaxNode): boolean {
  return /Function|Class/.test(node.type) || children(node).some(containsFunction);
}
