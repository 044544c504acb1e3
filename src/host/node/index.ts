export { FilePort, type HostCharPort, SocketPort, StreamPort } from './char-ports.ts';
export { DebianArchive, type DebianPackage, readPackagedFile } from './debian-archive.ts';
export { cacheFolder, FileStore, writeFileAtOnce } from './file-store.ts';
export { listen, type SocketAddress } from './listen.ts';
export { RawTerminal } from './raw-terminal.ts';
export { nodeTime } from './time.ts';
