/* SPDX-License-Identifier: Apache-2.0
 *
 * <telar/config.h>: options of models and data sets. A plugin lists them in a table; a user sets them as text,
 * "hidden=512:256,dropout=0.5"; the host checks the text against the table and hands the values to the plugin. Part of
 * libtelar-nn.
 *
 *     static const struct tl_plugin_option options[] = {
 *         {.name = "width", .help = "channels", .kind = TL_OPTION_INT, .fallback = "16", .low = 1, .high = 1024},
 *         {.name = "classes", .help = "outputs", .kind = TL_OPTION_INT, .fallback = "10", .low = 1, .high = 1e5, .role = TL_ROLE_CLASSES},
 *         {0},
 *     };
 */
#ifndef TELAR_CONFIG_H
#define TELAR_CONFIG_H

#include <telar/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What an option takes. */
enum tl_option_kind {
    TL_OPTION_INT = 0,    /**< a whole number */
    TL_OPTION_FLOAT = 1,  /**< a number */
    TL_OPTION_BOOL = 2,   /**< yes or no; the bare name means yes */
    TL_OPTION_LIST = 3,   /**< whole numbers with colons between, 64 at most; empty for none */
    TL_OPTION_CHOICE = 4, /**< one word of `choices` */
    TL_OPTION_TEXT = 5    /**< any text; a comma in it is written "\,", a backslash "\\" */
};

/** What an INT option of a model stands for in the data, so that whoever knows the data set can fill it in: `telar train` does
 *  where the user is silent, and tl_model_options_for() does in a program. Several options may share a role. */
enum tl_option_role {
    TL_ROLE_NONE = 0,
    TL_ROLE_FEATURES = 1, /**< numbers in one sample: the product of its sizes */
    TL_ROLE_CHANNELS = 2, /**< first size of a sample of three dimensions, [channels, height, width]; 1 if it has two */
    TL_ROLE_HEIGHT = 3,   /**< last size but one */
    TL_ROLE_WIDTH = 4,    /**< last size of a sample of two dimensions or more */
    TL_ROLE_CLASSES = 5,  /**< classes to tell apart; of a language, the size of the vocabulary */
    TL_ROLE_OUTPUTS = 6   /**< what the last layer must give: as many as there are classes, or numbers to predict */
};

/** One option. Tables end with an entry whose name is NULL. */
struct tl_plugin_option {
    const char *name, *help;
    const char *fallback; /**< default, as text; NULL: "", and no text at all for TEXT */
    enum tl_option_kind kind;
    enum tl_option_role role;   /**< INT of models */
    double low, high;           /**< inclusive range of numbers (of each, in a list); both 0: any */
    const char *const *choices; /**< CHOICE: the words, NULL-terminated */
    const void *reserved[2];    /**< NULL */
};
static_assert(sizeof(struct tl_plugin_option) == 3 * sizeof(void *) + 8 + 16 + 3 * sizeof(void *),
              "entries of a table cannot grow");

/** Values of options, checked; those that the user left out have their defaults. */
struct tl_config;
/** The value of an option, by name. A name that the table does not list, or an option of another kind, is the plugin's mistake: an
 *  error is set, with which the host refuses what was being built, and the result is 0, NULL or "". */
TL_PUBLIC int64_t tl_config_int(const struct tl_config *c, const char *name);
TL_PUBLIC double tl_config_float(const struct tl_config *c, const char *name);
TL_PUBLIC bool tl_config_bool(const struct tl_config *c, const char *name);
/** Returns the number of entries, filling at most capacity. */
TL_PUBLIC int tl_config_list(const struct tl_config *c, const char *name, int64_t *values, int capacity);
/** The chosen word. */
TL_PUBLIC const char *tl_config_choice(const struct tl_config *c, const char *name);
/** The text; NULL if it was not given and has no default. */
TL_PUBLIC const char *tl_config_text(const struct tl_config *c, const char *name);

/** For hosts: parse `text` ("name=value,name=value", or NULL) by a table, which may be NULL. NULL and an error that begins with
 *  `owner` ("model mlp") on an unknown name or a value out of range. Free it. Keeps references to owner and table. */
TL_PUBLIC struct tl_config *tl_config_new(const char *owner, const struct tl_plugin_option *options, const char *text);
TL_PUBLIC void tl_config_free(struct tl_config *c);
/** Is the table itself in order: kinds and roles known, defaults within their ranges? */
TL_PUBLIC tl_status tl_config_check(const char *owner, const struct tl_plugin_option *options);
/** Does the text set this option? */
TL_PUBLIC bool tl_config_mentions(const char *text, const char *name);
/** Two such texts in one, the second with the last word: what it sets is left out of the first. Either may be NULL. malloc()ed; NULL and an error. */
TL_PUBLIC char *tl_config_join(const char *first, const char *second);
/** text with ",name=value" appended (the comma only if there is something before), what must be escaped in value escaped. malloc()ed;
 *  NULL and an error. value NULL: the bare name. */
TL_PUBLIC char *tl_config_append(const char *text, const char *name, const char *value);

/** The entry of list[0..n-1] that is most like `word` (edit distance, letters' case ignored), for "did you mean"; NULL if none is
 *  near. NULL entries are skipped. */
TL_PUBLIC const char *tl_nearest_name(const char *word, const char *const *list, size_t n);

#ifdef __cplusplus
}
#endif
#endif
