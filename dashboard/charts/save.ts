/** Saves what a chart shows as a file of the reader's. */

/** Long enough for the browser to begin: then the address is given back. */
const REVOKE_MS = 10_000;

/** As a download with this name. */
export function save(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), REVOKE_MS);
}
