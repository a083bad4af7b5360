import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** For `npm run dev`: the address of a server that is up. */
const server = process.env.HEADRACE_URL ?? "http://127.0.0.1:7475";

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../src/headrace/designer",
    emptyOutDir: true,
    chunkSizeWarningLimit: 1000,
  },
  server: { proxy: { "/api": server, "/signin": server, "/signout": server } },
  test: { environment: "jsdom", setupFiles: ["src/test/setup.ts"] },
});
