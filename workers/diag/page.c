#include "workers/diag/page.h"

#include <string.h>

#include "base/macro.h"
#include "workers/diag/page_files.h"

/* Nothing from elsewhere, and nothing but what is in the files: no text that is shown can become a program. */
#define PAGE_POLICY                                                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " \
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

#define NO_POLICY "default-src 'none'; frame-ancestors 'none'"

static const struct page_file files[] = {
    {"/",                "text/html; charset=utf-8",       PAGE_POLICY, index_html_bytes,   &index_html_len  },
    {"/app.js",          "text/javascript; charset=utf-8", NO_POLICY,   app_js_bytes,       &app_js_len      },
    {"/app.css",         "text/css; charset=utf-8",        NO_POLICY,   app_css_bytes,      &app_css_len     },
    {"/v1/openapi.json", "application/json",               NO_POLICY,   openapi_json_bytes, &openapi_json_len},
};

const struct page_file *page_find(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    return NULL;
}
