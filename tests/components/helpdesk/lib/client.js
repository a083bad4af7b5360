const { OAuth2RestClient } = require('@elastic.io/component-commons-library');

module.exports = class HelpdeskClient extends OAuth2RestClient {
  async lookup(kind, id) {
    return this.makeRequest({ method: 'GET', url: `/${kind}/${encodeURIComponent(id)}` });
  }
};
