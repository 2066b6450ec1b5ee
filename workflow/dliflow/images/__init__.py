"""Images and what is made of them: lists, labels, pixels, inputs. No model and no framework."""
