/* SPDX-License-Identifier: Apache-2.0
 *
 * The models of this plugin, each in a file of its own.
 */
#ifndef MODELS_LSTM_H
#define MODELS_LSTM_H

#include <telar/model.h>

extern const struct tl_model lstm_rnn, lstm_lstm, lstm_gru; /* language.c */
extern const struct tl_model lstm_classifier;               /* classifier.c */
extern const struct tl_model lstm_counting;                 /* counting.c */

#endif
