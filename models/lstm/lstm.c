/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin "lstm": recurrent networks for text, for sequences to tell apart, and for counting.
 */
#include "lstm.h"

TL_MODEL_PLUGIN("lstm", "0.1.0", "recurrent networks: rnn, lstm, gru, sequence-classifier, counting", &lstm_rnn, &lstm_lstm, &lstm_gru,
                &lstm_classifier, &lstm_counting);
