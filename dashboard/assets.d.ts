/** What Vite takes in beside code: style sheets, imported for their effect, and files as text. */
declare module '*.css';
declare module '*?raw' {
  const text: string;
  export default text;
}
