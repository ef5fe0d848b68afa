/** `gainwatch python`: where the package for PyTorch lies, for `pip install "$(npx gainwatch python)"`. pip itself is the user's. */
import { join } from 'node:path';

/** Absolute path of the package's sources; the built files lie in dist/ beside plugin/. Read-only is enough for pip. */
export const pythonFolder = (): string => join(import.meta.dirname, '..', '..', '..', 'plugin', 'python');
