<?php
// WordPress's functions that the recipe calls, as their documentation says; then the recipe, and what a page would print.
$actions = [];
$shortcodes = [];
$transients = [];
$requests = 0;

function add_action($name, $action) { global $actions; $actions[$name] = $action; }
function add_shortcode($name, $shortcode) { global $shortcodes; $shortcodes[$name] = $shortcode; }
function esc_url($url) { return htmlspecialchars($url, ENT_QUOTES); }
function esc_attr($text) { return htmlspecialchars($text, ENT_QUOTES); }
function esc_html($text) { return htmlspecialchars($text, ENT_QUOTES); }
function untrailingslashit($text) { return rtrim($text, '/\\'); }
function get_permalink() { return $_SERVER['argv'][2]; }
function get_bloginfo($what) { return $what === 'language' ? 'de-DE' : ''; }
function get_transient($key) { global $transients; return $transients[$key] ?? false; }
function set_transient($key, $value, $seconds) { global $transients; $transients[$key] = $value; return true; }
function wp_remote_get($url, $options) {
	global $requests;
	$requests += 1;
	$context = stream_context_create(['http' => ['timeout' => $options['timeout']]]);
	$body = @file_get_contents($url, false, $context);
	return $body === false ? new WP_Error() : ['body' => $body];
}
function wp_remote_retrieve_body($answer) { return is_array($answer) ? $answer['body'] : ''; }
class WP_Error {}

require $_SERVER['argv'][1];
$actions['wp_head']();
echo "\n", $shortcodes['live_presence'](), "\n", live_presence(), "\n", $requests, "\n";
