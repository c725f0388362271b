def render_report(results, pictures):
    return "<html></html>"
