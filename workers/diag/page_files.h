/*
 * workers/diag/page_files.h - the bytes of the page's files, as tools/embed makes them of page/ and docs/openapi.json.
 */
#pragma once

#include <stddef.h>

extern const size_t index_html_len, app_js_len, app_css_len, openapi_json_len;
extern const unsigned char index_html_bytes[], app_js_bytes[], app_css_bytes[],
    openapi_json_bytes[];
