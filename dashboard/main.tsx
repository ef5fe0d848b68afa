/** Starts the page. */
// First, so that the style sheets of the parts come behind it.
import './style.css';
import { render } from 'preact';
import { App } from './app.tsx';
import { start } from './state/liveStream.ts';

render(<App />, document.getElementById('app')!);
void start();
