/**
 * Recovers structure from a control-flow graph: what lies one after the other, and loops. Edges lead forward in the
 * order found, or back to the header of a loop that they lie in.
 */

/** A part of a sequence: one node, or a loop around a sequence that begins with the loop's header. */
export type Part =
  | { readonly kind: 'node'; readonly node: number }
  | {
      readonly kind: 'loop';
      readonly header: number;
      /** Nodes but the header that are entered from outside: the loop is irreducible where there are any. */
      readonly sideEntries: readonly number[];
      readonly body: readonly Part[];
      readonly nodes: ReadonlySet<number>;
    };

/** A graph: the nodes that each node leads to, and those that are entered from outside. */
export interface Graph {
  readonly successors: readonly (readonly number[])[];
  readonly entries: readonly number[];
}

/** The parts of a graph, in an order in which all edges but those back to headers lead forward. */
export function structure({ successors, entries }: Graph): Part[] {
  const nodes = new Set(successors.keys());
  return partsOf(successors, nodes, new Set(entries), -1);
}

/** Whether a part holds a node. */
export function holds(part: Part, node: number): boolean {
  return part.kind === 'node' ? part.node === node : part.nodes.has(node);
}

/** @param header the node whose incoming edges do not count, or -1 */
function partsOf(
  successors: Graph['successors'],
  nodes: ReadonlySet<number>,
  entered: ReadonlySet<number>,
  header: number,
): Part[] {
  const inside = (node: number) => successors[node].filter((to) => nodes.has(to) && to !== header);
  const parts: Part[] = [];
  for (const component of components(nodes, inside)) {
    const [first] = component;
    if (component.length === 1 && !inside(first).includes(first)) parts.push({ kind: 'node', node: first });
    else parts.push(loopOf(successors, nodes, component, entered, header));
  }
  parts.reverse();
  const at = parts.findIndex((part) => holds(part, header));
  if (at > 0) parts.unshift(...parts.splice(at, 1));
  return parts;
}

function loopOf(
  successors: Graph['successors'],
  around: ReadonlySet<number>,
  component: readonly number[],
  entered: ReadonlySet<number>,
  outerHeader: number,
): Part {
  const nodes = new Set(component);
  const entries = new Set(component.filter((node) => entered.has(node)));
  for (const from of around) {
    if (nodes.has(from)) continue;
    for (const to of successors[from]) if (nodes.has(to) && to !== outerHeader) entries.add(to);
  }
  const header = entries.size > 0 ? Math.min(...entries) : Math.min(...component);
  const body = partsOf(successors, nodes, entries, header);
  return { kind: 'loop', header, sideEntries: [...entries].filter((node) => node !== header), body, nodes };
}

/** Strongly connected components, each before those that lead to it (Tarjan 1972), without recursion. */
function components(nodes: ReadonlySet<number>, next: (node: number) => readonly number[]): number[][] {
  const found: number[][] = [];
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  for (const root of nodes) {
    if (index.has(root)) continue;
    const work: { readonly node: number; readonly to: readonly number[]; at: number }[] = [];
    const open = (node: number) => {
      index.set(node, index.size);
      low.set(node, index.size - 1);
      stack.push(node);
      onStack.add(node);
      work.push({ node, to: next(node), at: 0 });
    };
    const lower = (node: number, value: number) => low.set(node, Math.min(low.get(node) ?? value, value));
    open(root);
    while (work.length > 0) {
      const frame = work[work.length - 1];
      if (frame.at < frame.to.length) {
        const to = frame.to[frame.at++];
        if (!index.has(to)) open(to);
        else if (onStack.has(to)) lower(frame.node, index.get(to) ?? 0);
        continue;
      }
      work.pop();
      const { node } = frame;
      if (work.length > 0) lower(work[work.length - 1].node, low.get(node) ?? 0);
      if (low.get(node) === index.get(node)) found.push(popComponent(stack, onStack, node));
    }
  }
  return found;
}

function popComponent(stack: number[], onStack: Set<number>, until: number): number[] {
  const component = stack.splice(stack.lastIndexOf(until));
  for (const node of component) onStack.delete(node);
  return component;
}
