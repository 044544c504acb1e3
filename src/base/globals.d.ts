// The globals that Node and browsers share and the isomorphic core may use, besides the language's own library.

interface TextEncoder {
  encode(text?: string): Uint8Array<ArrayBuffer>;
}
declare var TextEncoder: { new (): TextEncoder };

interface TextDecoder {
  decode(bytes?: ArrayBufferView | ArrayBuffer, options?: { stream?: boolean }): string;
}
declare var TextDecoder: { new (label?: string, options?: { fatal?: boolean }): TextDecoder };

/** Base64 (RFC 4648) of text whose characters are bytes, and back. */
declare function btoa(bytes: string): string;
declare function atob(base64: string): string;

declare var performance: { now(): number };

declare function setTimeout(callback: () => void, milliseconds?: number): unknown;
declare function clearTimeout(timer: unknown): void;
declare function queueMicrotask(callback: () => void): void;

interface MessagePort {
  onmessage: ((event: { data: unknown }) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}
declare var MessageChannel: { new (): { readonly port1: MessagePort; readonly port2: MessagePort } };

/** One end in, one out: of the streams standard, what it takes to convert bytes. */
interface ByteTransform {
  readonly writable: {
    getWriter(): { write(chunk: Uint8Array<ArrayBuffer>): Promise<void>; close(): Promise<void> };
  };
  readonly readable: {
    getReader(): {
      read(): Promise<{ done: boolean; value?: Uint8Array<ArrayBuffer> }>;
      cancel(reason: unknown): Promise<void>;
    };
  };
}
type CompressionStream = ByteTransform;
declare var CompressionStream: { new (format: 'deflate-raw'): ByteTransform };
type DecompressionStream = ByteTransform;
declare var DecompressionStream: { new (format: 'deflate-raw' | 'gzip'): ByteTransform };
