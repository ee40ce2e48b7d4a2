// Package browser holds the tests that run the demo page in real Chromium against a whole fleet (`orkestro dev`): what a
// person would see, hear and click. They know the page by its data-testid attributes only.
package browser
