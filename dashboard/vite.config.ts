import { defineConfig } from 'vite';

/** Relative addresses throughout: the page also lives below a --base-path. */
export default defineConfig({
  base: './',
  build: {
    outDir: '../dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 600,
    modulePreload: { polyfill: false },
  },
});
