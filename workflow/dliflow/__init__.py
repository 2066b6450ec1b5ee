"""dliflow: the methodology of DNN inference performance analysis, as a workflow."""
