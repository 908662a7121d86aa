// Each channel registers itself when it is imported; a skill adds its line here.
import './web-registered.js';
